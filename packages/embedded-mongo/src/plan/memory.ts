import { encodeDocument } from '../bson/encode.ts';
import { Doc, type Value } from '../bson/values.ts';
import { ErrorCode, MongoError } from '../errors.ts';

/** Manual: reference/limits, "Memory". The list of one accumulator and the documents of one sort hold so much. */
const LIMIT_BYTES = 100 * 1024 * 1024;

/** Counts the bytes that a stage keeps, and refuses those beyond the limit. */
export class MemoryLimit {
  private readonly name: string;
  private bytes = 0;

  constructor(name: string) {
    this.name = name;
  }

  take(value: Value): void {
    this.bytes += sizeOf(value);
    if (this.bytes <= LIMIT_BYTES) return;
    throw new MongoError(
      ErrorCode.ExceededMemoryLimit,
      `${this.name} used too much memory and cannot spill to disk. Memory limit: ${LIMIT_BYTES} bytes`,
    );
  }
}

/** About what a value takes as BSON: exact for documents whose BSON is at hand, which is what counts. */
function sizeOf(value: Value): number {
  if (value instanceof Doc) return value.raw?.length ?? encodeDocument(value).length;
  if (Array.isArray(value)) return value.reduce<number>((sum, element) => sum + sizeOf(element), 16);
  return typeof value === 'string' ? value.length + 8 : 16;
}

/** What a sort in memory keeps: not more than the limit with `allowDiskUse: false` (manual: reference/command/find). */
export class SortMemory {
  private bytes = 0;

  take(doc: Doc): void {
    this.bytes += sizeOf(doc);
    if (this.bytes <= LIMIT_BYTES) return;
    throw new MongoError(
      ErrorCode.QueryExceededMemoryLimitNoDiskUseAllowed,
      `Executor error during find command :: caused by :: Sort exceeded memory limit of ${LIMIT_BYTES} bytes, but did not opt in to external sorting.`,
    );
  }

  release(): void {
    this.bytes = 0;
  }
}
