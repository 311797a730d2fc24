import { graphql, useMutation } from "react-relay";

export function Tags({ artifact, tags, done }) {
  const [commit] = useMutation(graphql`
    mutation TagsMutation($input: SetTagsInput!) {
      setTags(input: $input) {
        receipt {
          index
        }
        refusal {
          code
          message
        }
      }
    }
  `);
  const told = ({ setTags }) => done(setTags.receipt?.index ?? `${setTags.refusal.code} ${setTags.refusal.message}`);
  return commit({ variables: { input: { artifact, tags, reason: "by hand" } }, onCompleted: told });
}
