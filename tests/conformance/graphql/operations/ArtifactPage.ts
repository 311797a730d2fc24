import { graphql, usePreloadedQuery } from "react-relay";
import { ArtifactCard } from "./ArtifactCard";

export function ArtifactPage({ preloaded }) {
  const data = usePreloadedQuery(
    graphql`
      query ArtifactPageQuery($ref: ArtifactRef!, $asOf: AsOf, $options: LineageOptions) {
        artifact(ref: $ref, asOf: $asOf) {
          ...ArtifactCard_artifact
        }
        lineage(from: [$ref], options: $options, asOf: $asOf) {
          nodes {
            id
            name
            depth
          }
          edges {
            from
            to
            kind
          }
          completeness {
            status
          }
          asOf {
            ledgerSize
          }
        }
      }
    `,
    preloaded,
  );
  const { nodes, edges, completeness, asOf } = data.lineage;
  const shown = nodes.map(({ id, name, depth }) => `${id} ${name} ${depth}`);
  const drawn = edges.map(({ from, to, kind }) => `${from} ${kind} ${to}`);
  return [ArtifactCard({ artifact: data.artifact }), shown, drawn, completeness.status, asOf.ledgerSize];
}
