import mongoose from 'mongoose';

const DUPLICATE_KEY = 11000;

/** Whether a write was refused since a unique index already holds its key. */
export function isDuplicateKey(error: unknown): boolean {
  return error instanceof mongoose.mongo.MongoServerError && error.code === DUPLICATE_KEY;
}

/**
 * Inserts whatever is not there yet, in one command.
 *
 * @param insert runs an unordered `insertMany`
 * @returns the indexes of the documents that a unique key refused
 */
export async function insertMissing(insert: () => Promise<unknown>): Promise<number[]> {
  try {
    await insert();
    return [];
  } catch (error) {
    if (!(error instanceof mongoose.mongo.MongoBulkWriteError)) throw error;
    const refusals = [error.writeErrors].flat();
    if (refusals.some(({ code }) => code !== DUPLICATE_KEY)) throw error;
    return refusals.map(({ index }) => index);
  }
}

/**
 * Changes documents in one command, but for those that would take a unique key which another one has.
 *
 * @param write runs an unordered `bulkWrite`
 * @returns how many were changed
 */
export async function writeUntaken(write: () => Promise<{ modifiedCount: number }>): Promise<number> {
  try {
    return (await write()).modifiedCount;
  } catch (error) {
    if (!(error instanceof mongoose.mongo.MongoBulkWriteError)) throw error;
    if ([error.writeErrors].flat().some(({ code }) => code !== DUPLICATE_KEY)) throw error;
    return error.modifiedCount;
  }
}
