import { type Params, text, whole } from './form.ts';
import { invalid } from './refusals.ts';
import type { List } from './shapes.ts';

/** One page, newest first (https://docs.stripe.com/api/pagination). */
export function page<Item extends { id: string }>(items: Iterable<Item>, params: Params, url: string): List<Item> {
  const limit = whole(params['limit']) ?? 10;
  if (!(limit >= 1 && limit <= 100)) throw invalid('limit must be between 1 and 100', 'limit');
  const newestFirst = [...items].reverse();
  const after = text(params['starting_after']);
  const begin = after === undefined ? 0 : newestFirst.findIndex(({ id }) => id === after) + 1;
  if (after !== undefined && begin === 0) throw invalid(`No such object: '${after}'`, 'starting_after');
  const data = newestFirst.slice(begin, begin + limit);
  return { object: 'list', data, has_more: begin + limit < newestFirst.length, url };
}
