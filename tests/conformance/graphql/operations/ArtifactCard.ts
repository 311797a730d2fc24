import { graphql, useRefetchableFragment } from "react-relay";

// Fetched again through `node(id:)`, as Relay does with what implements Node.
export function ArtifactCard({ artifact }) {
  const [data] = useRefetchableFragment(
    graphql`
      fragment ArtifactCard_artifact on Artifact @refetchable(queryName: "ArtifactCardRefetchQuery") {
        name
        owners {
          role
          actor {
            handle
          }
        }
        schema {
          source
          fields {
            path
            type
          }
        }
        changes(first: 5) {
          nodes {
            time
            kinds
          }
        }
      }
    `,
    artifact,
  );
  const owners = data.owners.map(({ role, actor }) => `${role} ${actor.handle}`);
  const columns = data.schema.flatMap(({ source, fields }) => fields.map(({ path, type }) => `${source} ${path} ${type}`));
  return [data.name, owners, columns, data.changes.nodes.map(({ time, kinds }) => `${time} ${kinds}`)];
}
