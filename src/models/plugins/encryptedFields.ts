import type { Model, Schema } from 'mongoose';
import { createCipher, EncryptedFieldError, KEYS_PATH, lookupPath } from '../encryption/cipher.ts';
import { encryptCollection } from '../encryption/collection.ts';

/**
 * - `unique`: found by equality, and no two documents have the same.
 * - `indexed`: found by equality.
 * - `sealed`: not searched at all.
 */
export type Searching = 'unique' | 'indexed' | 'sealed';

/**
 * Encrypts these fields at rest. Whoever uses the model sees plaintext alone: documents are sealed on their way to the
 * database, and opened on their way back. Equality, `$in`, `$exists` and null may be asked of a field that is searched; what
 * would need to read ciphertext is an error that says what to do instead. The keys are those of the model's connection.
 */
export function encryptedFields(schema: Schema, { fields }: { fields: Readonly<Record<string, Searching>> }): void {
  for (const [field, searching] of Object.entries(fields)) {
    if (searching === 'sealed') continue;
    schema.index({ [lookupPath(field)]: 1 }, { unique: searching === 'unique', sparse: true });
  }
  // What a rotation has still to do, and whether an old key is still needed.
  schema.index({ [KEYS_PATH]: 1 });
  const described = new Map(
    Object.entries(fields).map(([field, searching]) => [field, { isLookedUp: searching !== 'sealed' }]),
  );
  schema.pre('save', function sealWhole() {
    for (const field of Object.keys(fields)) {
      // A value is sealed as a whole, so a part of it that was set takes the rest along.
      if (this.isModified(field)) this.markModified(field);
    }
  });
  // Mongoose tells a schema of every model that is made of it.
  schema.on('init', (model: Model<unknown>) => {
    const cipher = createCipher(model.modelName, described, model.db);
    encryptCollection(model.collection, cipher);
    // Mongoose asks for it in order to go past the collection: `connection.bulkWrite` would write plaintext.
    Object.assign(model, {
      namespace() {
        throw new EncryptedFieldError(
          cipher,
          [...described.keys()].join(', '),
          'write to it by bulkWrite of its model.',
        );
      },
    });
  });
}
