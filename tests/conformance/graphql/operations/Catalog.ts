import { graphql } from "relay-runtime";
export const catalog = graphql`
  fragment Catalog_list on Query
  @refetchable(queryName: "CatalogPageQuery")
  @argumentDefinitions(count: { type: "Int", defaultValue: 20 }, cursor: { type: "String" }) {
    artifacts(first: $count, after: $cursor) @connection(key: "Catalog_artifacts") {
      edges { node { id kind namespace name } }
    }
  }
`;
