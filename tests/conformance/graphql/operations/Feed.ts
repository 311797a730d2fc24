import { graphql, useSubscription } from "react-relay";

export function Feed({ after, heard }) {
  useSubscription({
    variables: { after },
    onNext: ({ events }) => heard(events.index, events.type),
    subscription: graphql`
      subscription FeedSubscription($after: Long) {
        events(after: $after) {
          index
          type
        }
      }
    `,
  });
}
