import { type Doc, Double, isNumeric, toDouble, type Value } from '../bson/values.ts';
import { badValue, ErrorCode, MongoError, typeMismatch } from '../errors.ts';
import { type CommandContext, numberField, ok } from './context.ts';

/** What the profiler would write down; there is none, so that its level stays 0. */
export interface ProfileSettings {
  slowms: number;
  sampleRate: number;
}

/** Manual: reference/command/profile: -1 asks, 0 is off. Levels that would write to `system.profile` are refused. */
export function profile({ command, engine }: CommandContext): Doc {
  const level = levelOf(command.values[0]);
  const { profiling } = engine;
  const was = { slowms: profiling.slowms, sampleRate: profiling.sampleRate };
  const slowms = numberField(command, 'slowms') ?? was.slowms;
  const sampleRate = numberField(command, 'sampleRate') ?? was.sampleRate;
  if (sampleRate < 0 || sampleRate > 1) throw badValue("'sampleRate' must be between 0.0 and 1.0 inclusive");
  if (level > 0 || command.has('filter')) {
    throw new MongoError(ErrorCode.NotImplemented, 'this server has no profiler: its level is 0, without a filter');
  }
  if (level === 0) Object.assign(profiling, { slowms: Math.trunc(slowms), sampleRate });
  return ok({ was: 0, slowms: was.slowms, sampleRate: new Double(was.sampleRate) });
}

function levelOf(given: Value | undefined): number {
  if (!isNumeric(given)) throw typeMismatch("BSON field 'profile.profile' is the wrong type, expected type 'int'");
  const level = toDouble(given);
  if (Number.isInteger(level) && level >= -1 && level <= 2) return level;
  throw badValue(`BSON field 'profile' value must be between -1 and 2, actual value '${level}'`);
}
