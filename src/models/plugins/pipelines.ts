type Stage = Readonly<Record<string, unknown>>;
type IsFiltered = (collection: string) => boolean;

const KEPT = { isDeleted: false };

/**
 * The pipeline with every stage that reads a second collection leaving deleted documents out there too, at any depth
 * (https://www.mongodb.com/docs/manual/reference/operator/aggregation/lookup/, `unionWith/`, `graphLookup/`, `facet/`).
 *
 * @param isFiltered whether a collection holds soft-deletable documents
 */
export function joiningKept(pipeline: readonly unknown[], isFiltered: IsFiltered): unknown[] {
  return pipeline.map((stage) => {
    if (!isStage(stage)) return stage;
    const [name] = Object.keys(stage);
    const join = name === undefined ? undefined : JOINS[name];
    return name === undefined || join === undefined ? stage : { ...stage, [name]: join(stage[name], isFiltered) };
  });
}

const JOINS: Readonly<Record<string, (body: unknown, isFiltered: IsFiltered) => unknown>> = {
  $lookup: (body, isFiltered) => (isStage(body) ? joined(body, body['from'], isFiltered) : body),
  $unionWith(body, isFiltered) {
    const fields = typeof body === 'string' ? { coll: body } : body;
    return isStage(fields) ? joined(fields, fields['coll'], isFiltered) : body;
  },
  $graphLookup(body, isFiltered) {
    if (!isStage(body) || !isFilteredName(body['from'], isFiltered)) return body;
    const own = body['restrictSearchWithMatch'];
    return { ...body, restrictSearchWithMatch: own === undefined ? KEPT : { $and: [KEPT, own] } };
  },
  $facet(body, isFiltered) {
    if (!isStage(body)) return body;
    const facets = Object.entries(body).map(([name, pipeline]) => [
      name,
      Array.isArray(pipeline) ? joiningKept(pipeline, isFiltered) : pipeline,
    ]);
    return Object.fromEntries(facets);
  },
};

function joined(body: Stage, collection: unknown, isFiltered: IsFiltered): Stage {
  const { pipeline } = body;
  const inner = Array.isArray(pipeline) ? joiningKept(pipeline, isFiltered) : [];
  if (isFilteredName(collection, isFiltered)) return { ...body, pipeline: [{ $match: KEPT }, ...inner] };
  return Array.isArray(pipeline) ? { ...body, pipeline: inner } : body;
}

const isFilteredName = (collection: unknown, isFiltered: IsFiltered): boolean =>
  typeof collection === 'string' && isFiltered(collection);

function isStage(value: unknown): value is Stage {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
