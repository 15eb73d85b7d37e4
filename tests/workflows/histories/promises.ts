import type { Types } from 'mongoose';
import type { Books } from '../../support/books.ts';
import { type Action, type Answer, keyOf } from './actions.ts';

/** What was asked for, how often it was called, and what was answered at last. */
export interface Asked {
  userId: Types.ObjectId;
  action: Action;
  calls: number;
  answer?: Answer;
}

/** Every promise that the books of this user do not keep: what was answered happened, and nothing happened that was not asked for. */
export function brokenPromises({ user, ledger, generations }: Books, asked: readonly Asked[]): string[] {
  const broken: string[] = [];
  const demand = (holds: boolean, words: string) => holds || broken.push(words);
  const mine = asked.filter(({ userId }) => userId.equals(user._id));
  const charges = ledger.filter(({ kind }) => kind === 'charge');
  const byId = new Map(generations.map((generation) => [generation._id.toHexString(), generation]));

  for (const { action, answer, calls } of mine) {
    const key = keyOf(user._id, action);
    if (action.kind !== 'create' && action.kind !== 'consume') continue;
    const paid = key === undefined ? [] : charges.filter((charge) => charge.key === key);
    demand(paid.length <= 1, `${key} was charged ${paid.length} times`);
    if (!answer) continue;
    demand(calls > 0 && (key === undefined || paid.length === 1), `${key} was answered and never charged`);
    if (answer.charge) {
      demand(
        charges.some(({ _id }) => _id.equals(answer.charge ?? '')),
        `charge ${answer.charge} was answered, and is lost`,
      );
      if (paid[0]) demand(paid[0]._id.equals(answer.charge), `${key} was answered with another charge`);
    }
    if (answer.generation) {
      demand(byId.has(answer.generation), `generation ${answer.generation} was answered, and is lost`);
      if (paid[0]) demand(paid[0].generationId?.equals(answer.generation) === true, `${key} has two generations`);
    }
  }

  // Without a key each call may have charged, and each that was answered has.
  for (const credits of [1, 2, 3, 4]) {
    const consumed = charges.filter((charge) => !charge.key && !charge.generationId && charge.credits === credits);
    const calls = mine.filter(({ action }) => isUnkeyedConsumption(action) && action.credits === credits);
    const answered = calls.filter(({ answer }) => answer !== undefined).length;
    const attempts = calls.reduce((sum, call) => sum + call.calls, 0);
    demand(
      answered <= consumed.length && consumed.length <= attempts,
      `${consumed.length} charges of ${credits}: ${answered} were answered, ${attempts} tried`,
    );
  }
  const keys = new Set(mine.map(({ action }) => keyOf(user._id, action)));
  for (const { key } of charges) demand(key === undefined || keys.has(key), `${key} was charged and never sent`);
  return broken;
}

const isUnkeyedConsumption = ({ kind, key }: Action) => kind === 'increment' || (kind === 'consume' && key === 0);

const OUTCOMES = { cancel: 'cancelled', complete: 'completed', fail: 'failed' } as const;

/** Every answered move of a generation that did not last, whoever's generation it was. */
export function undoneMoves(all: readonly Books[], asked: readonly Asked[]): string[] {
  const byId = new Map(all.flatMap((books) => books.generations).map((each) => [each._id.toHexString(), each]));
  return asked.flatMap(({ action: { kind }, answer }) => {
    const generation = answer?.generation === undefined ? undefined : byId.get(answer.generation);
    if (!generation) return [];
    if (kind === 'remove' && !generation.isDeleted) return [`generation ${generation._id} was deleted, and is there`];
    if (kind !== 'cancel' && kind !== 'complete' && kind !== 'fail') return [];
    const { status } = generation;
    return status === OUTCOMES[kind] ? [] : [`generation ${generation._id} was ${OUTCOMES[kind]}, and is ${status}`];
  });
}
