import { Doc } from '../bson/values.ts';
import { Matcher } from '../query/match.ts';
import type { Collection } from '../storage/collection.ts';
import { listReply } from './aggregate.ts';
import { type CommandContext, docField, ok, type Running } from './context.ts';
import { isView } from './views.ts';

function describe(collection: Collection): Doc {
  const name = collection.name;
  if (isView(collection)) {
    return Doc.of({ name, type: 'view', options: collection.options, info: Doc.of({ readOnly: true }) });
  }
  const { kind, options } = collection;
  if (kind.timeSeries !== undefined) {
    return Doc.of({ name, type: 'timeseries', options, info: Doc.of({ readOnly: false }) });
  }
  const { spec } = collection.idIndex;
  return Doc.of({
    name,
    type: 'collection',
    options: collection.options,
    info: Doc.of({ readOnly: false, uuid: collection.uuid }),
    // The documents of a clustered collection are their own index.
    idIndex: kind.clustered === undefined ? spec.document : undefined,
  });
}

/** What MongoDB 8 keeps time series and views in, as it lists it beside them. */
function internals(collections: readonly Collection[]): Doc[] {
  const described = collections
    .filter(({ kind }) => kind.timeSeries !== undefined)
    .map(({ name, options, uuid }) =>
      Doc.of({
        name: `system.buckets.${name}`,
        type: 'collection',
        options: options.with('clusteredIndex', true),
        info: Doc.of({ readOnly: false, uuid }),
      }),
    );
  const [first] = collections.filter((collection) => isView(collection) || collection.kind.timeSeries !== undefined);
  if (first === undefined) return described;
  const views = Doc.of({ name: 'system.views', type: 'collection', options: Doc.EMPTY });
  return [...described, views.with('info', Doc.of({ readOnly: false, uuid: first.uuid }))];
}

/** Manual: reference/command/listCollections. */
export function* listCollections(context: CommandContext): Running {
  const { command, engine, database } = context;
  const filter = new Matcher(docField(command, 'filter') ?? Doc.EMPTY);
  const nameOnly = command.get('nameOnly') === true;
  const collections = engine.store.inDatabase(database);
  const docs = [...collections.map(describe), ...internals(collections)]
    .filter((described) => filter.matches(described))
    .map((described) => (nameOnly ? Doc.of({ name: described.get('name'), type: described.get('type') }) : described));
  return yield* listReply(context, `${database}.$cmd.listCollections`, docs);
}

/** Manual: reference/command/listDatabases. */
export function listDatabases(context: CommandContext): Doc {
  const { command, engine } = context;
  const filter = new Matcher(docField(command, 'filter') ?? Doc.EMPTY);
  let totalSize = 0;
  const databases = engine.store
    .databases()
    .map((name) => {
      const sizeOnDisk = engine.store.inDatabase(name).reduce((sum, collection) => sum + collection.dataBytes, 0);
      return Doc.of({ name, sizeOnDisk: BigInt(sizeOnDisk), empty: false });
    })
    .filter((entry) => filter.matches(entry));
  for (const entry of databases) totalSize += Number(entry.get('sizeOnDisk'));
  if (command.get('nameOnly') === true) {
    return ok({ databases: databases.map((entry) => Doc.of({ name: entry.get('name') })) });
  }
  return ok({ databases, totalSize: BigInt(totalSize), totalSizeMb: BigInt(Math.floor(totalSize / 1_048_576)) });
}
