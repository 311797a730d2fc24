import { graphql, usePaginationFragment } from "react-relay";

export function Catalog({ query }) {
  const { data } = usePaginationFragment(
    graphql`
      fragment Catalog_query on Query
      @refetchable(queryName: "CatalogPaginationQuery")
      @argumentDefinitions(count: { type: "Int", defaultValue: 20 }, cursor: { type: "String" }) {
        artifacts(first: $count, after: $cursor) @connection(key: "Catalog_artifacts") {
          edges {
            node {
              id
              kind
              namespace
              name
            }
          }
        }
      }
    `,
    query,
  );
  return data.artifacts.edges.map(({ node }) => `${node.id} ${node.kind} ${node.namespace} ${node.name}`);
}
