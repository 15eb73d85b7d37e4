/** An error of the API, in its own shape (https://docs.stripe.com/api/errors). */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly status: number;
  readonly body: { error: { type: string; message: string; code?: string; param?: string } };

  constructor(status: number, error: { type?: string; message: string; code?: string; param?: string }) {
    super(error.message);
    this.status = status;
    this.body = { error: { type: 'invalid_request_error', ...error } };
  }
}

export const missing = (what: string, id: string): Refusal =>
  new Refusal(404, { code: 'resource_missing', message: `No such ${what}: '${id}'`, param: 'id' });

export const invalid = (message: string, param?: string): Refusal =>
  new Refusal(400, { message, ...(param !== undefined && { param }) });

export function found<Value>(map: ReadonlyMap<string, Value>, what: string, id: string | undefined): Value {
  const value = id === undefined ? undefined : map.get(id);
  if (value === undefined) throw missing(what, id ?? '');
  return value;
}
