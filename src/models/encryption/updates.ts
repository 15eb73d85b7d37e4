import {
  type Cipher,
  EncryptedFieldError,
  type Fields,
  fieldAt,
  isFields,
  KEYS_PATH,
  lookupPath,
  sealValue,
} from './cipher.ts';
import { equalitiesOf, refuseMentions } from './filters.ts';

const SET_IT_WHOLE = 'it can be changed by $set, $setOnInsert and $unset of the whole field alone.';

/** The operators of an update, each with its changes by path. */
type Operators = Record<string, Fields>;

/**
 * The same update with its values encrypted, and the hashes kept up with them.
 *
 * @param filter as given: what an upsert stores follows from it
 * @throws {EncryptedFieldError} for a change of an encrypted field that needs to read it
 */
export async function sealUpdate(
  cipher: Cipher,
  filter: unknown,
  update: unknown,
  isUpsert: boolean,
): Promise<unknown> {
  if (Array.isArray(update)) {
    refuseInPipeline(cipher, update, isUpsert ? filter : {});
    return update;
  }
  if (!isFields(update)) return update;
  const operators: Operators = {};
  const sealing = new Sealing(cipher, operators);
  for (const [operator, changes] of Object.entries(update)) {
    if (!isFields(changes)) throw new TypeError(`${operator} needs an object`);
    for (const [path, value] of Object.entries(changes)) await sealing.change(operator, path, value);
  }
  if (isUpsert) await sealing.insertWhatIsAskedFor(filter);
  return operators;
}

class Sealing {
  private readonly changed = new Set<string>();
  private readonly cipher: Cipher;
  private readonly operators: Operators;

  constructor(cipher: Cipher, operators: Operators) {
    this.cipher = cipher;
    this.operators = operators;
  }

  async change(operator: string, path: string, value: unknown): Promise<void> {
    const field =
      fieldAt(this.cipher, path) ?? (operator === '$rename' ? fieldAt(this.cipher, String(value)) : undefined);
    if (field === undefined) return this.put(operator, path, value);
    if (path !== field) throw new EncryptedFieldError(this.cipher, field, `${path} cannot be changed; ${SET_IT_WHOLE}`);
    this.changed.add(field);
    if (operator === '$set' || operator === '$setOnInsert') return this.store(operator, field, value);
    if (operator !== '$unset')
      throw new EncryptedFieldError(this.cipher, field, `${operator} cannot be used; ${SET_IT_WHOLE}`);
    this.put('$unset', field, value);
    this.put('$unset', lookupPath(field), '');
  }

  /** MongoDB stores what an upsert's filter says that a field equals; the filter that it sees says hashes. */
  async insertWhatIsAskedFor(filter: unknown): Promise<void> {
    for (const [field, value] of equalitiesOf(this.cipher, filter)) {
      if (typeof value === 'string' && !this.changed.has(field)) await this.store('$setOnInsert', field, value);
    }
  }

  private async store(operator: '$set' | '$setOnInsert', field: string, value: unknown): Promise<void> {
    const { stored, hashes } = await sealValue(this.cipher, field, value);
    this.put(operator, field, stored);
    if (hashes) this.put(operator, lookupPath(field), hashes);
    else if (operator === '$set' && this.cipher.fields.get(field)?.isLookedUp)
      this.put('$unset', lookupPath(field), '');
    // Other values of the document may be under older keys, so this one comes beside them.
    this.put('$addToSet', KEYS_PATH, this.cipher.keyring().newest);
  }

  private put(operator: string, path: string, value: unknown): void {
    this.operators[operator] = { ...this.operators[operator], [path]: value };
  }
}

/** A pipeline runs on the server, which has no key: it may neither read nor write an encrypted field. */
function refuseInPipeline(cipher: Cipher, stages: readonly unknown[], upsertFilter: unknown): void {
  refuseMentions(cipher, stages);
  const written = stages.flatMap((stage) => (isFields(stage) ? Object.values(stage) : [])).flatMap(pathsIn);
  for (const path of [...written, ...equalitiesOf(cipher, upsertFilter).keys()]) {
    const field = fieldAt(cipher, path);
    if (field !== undefined)
      throw new EncryptedFieldError(cipher, field, `a pipeline cannot write it; ${SET_IT_WHOLE}`);
  }
}

/** The paths that a stage of an update names: `$set` and `$project` as keys, `$unset` as a text or a list of them. */
function pathsIn(stage: unknown): string[] {
  if (typeof stage === 'string') return [stage];
  if (Array.isArray(stage)) return stage.flatMap(pathsIn);
  if (!isFields(stage)) return [];
  return Object.entries(stage).flatMap(([name, value]) => (name.startsWith('$') ? pathsIn(value) : [name]));
}
