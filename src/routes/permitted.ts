import { z } from 'zod';
import {
  type Audience,
  fieldsFor,
  type Permission,
  type Readable,
  type Resource,
  type Writable,
} from '../domain/permissions.ts';

// The schemas of requests and answers come from here, so that the table of permissions has the last word on each of their
// fields: a field that it does not allow is an error of types, and one of the first run besides.

export interface Subject<R extends Resource, By extends Audience> {
  resource: R;
  by: By;
  /** The name of the schema in the description of the API. */
  id: string;
  /** One that the schema accepts, for readers. */
  example?: Readonly<Record<string, unknown>>;
}

/** The shape, where every field is an allowed one. */
type Only<Shape, Allowed> = { [Field in keyof Shape]: Field extends Allowed ? z.ZodType : never };

/**
 * What leaves to somebody.
 *
 * @throws {Error} for a field that they may not read
 */
export function readable<
  const R extends Resource,
  const By extends Audience,
  Shape extends Only<Shape, Readable<R, By>>,
>({ resource, by, id, example }: Subject<R, By>, shape: Shape) {
  refuseOthers('read', resource, by, shape);
  return z.object(shape).meta({ id, 'x-resource': resource, 'x-read-by': by, ...examplesOf(example) });
}

/**
 * What may come in from somebody; any other field is refused.
 *
 * @throws {Error} for a field that they may not write
 */
export function writable<
  const R extends Resource,
  const By extends Audience,
  Shape extends Only<Shape, Writable<R, By>>,
>({ resource, by, id, example }: Subject<R, By>, shape: Shape) {
  refuseOthers('write', resource, by, shape);
  return z.strictObject(shape).meta({ id, 'x-resource': resource, 'x-written-by': by, ...examplesOf(example) });
}

const examplesOf = (example: Subject<Resource, Audience>['example']) => example && { examples: [example] };

/** Only what the schema names: whatever else the values carry stays here. */
export function represent<Shape extends z.ZodRawShape>(
  schema: z.ZodObject<Shape>,
  values: z.input<z.ZodObject<Shape>>,
): z.input<z.ZodObject<Shape>>;
export function represent(schema: z.ZodObject, values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const named = Object.keys(schema.shape).filter((field) => values[field] !== undefined);
  return Object.fromEntries(named.map((field) => [field, values[field]]));
}

function refuseOthers(deed: keyof Permission, resource: Resource, by: Audience, shape: object): void {
  const allowed = fieldsFor(resource, deed, by);
  const others = Object.keys(shape).filter((field) => !allowed.includes(field));
  if (others.length > 0) {
    throw new Error(`src/domain/permissions.ts does not let ${by} ${deed} ${others.join(', ')} of ${resource}`);
  }
}
