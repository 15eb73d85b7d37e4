import { render } from '../bson/render.ts';
import { Doc, type Value } from '../bson/values.ts';
import { MongoError } from '../errors.ts';
import { compileExpression } from '../expression/compile.ts';
import type { Scope } from '../expression/scope.ts';
import { typeName } from '../query/types.ts';
import { compileAddFields } from './add-fields.ts';
import { compileProjection } from './projection.ts';

/** The stages that make one document of one: those that an update's pipeline may use as well. */
export function compileDocTransform(stage: Doc, scope: Scope): (doc: Doc) => Doc {
  const name = stage.keys[0] as string;
  const specification = stage.values[0] as Value;
  switch (name) {
    case '$set':
    case '$addFields':
      return compileAddFields(specification, scope, name);
    case '$project':
      if (!(specification instanceof Doc)) throw new MongoError(15969, '$project specification must be an object');
      if (specification.size === 0)
        throw new MongoError(
          51272,
          'Invalid $project :: caused by :: projection specification must have at least one field',
        );
      return compileProjection(specification, scope, '$project');
    case '$unset':
      return compileProjection(unsetProjection(specification), scope, '$unset');
    case '$replaceRoot':
      return replaceRoot(specification instanceof Doc ? specification.get('newRoot') : undefined, scope, name);
    case '$replaceWith':
      return replaceRoot(specification, scope, name);
    default:
      throw new MongoError(40324, `Unrecognized pipeline stage name: '${name}'`);
  }
}

function unsetProjection(specification: Value): Doc {
  const paths = Array.isArray(specification) ? specification : [specification];
  if (paths.length === 0)
    throw new MongoError(31119, '$unset specification must be a string or an array with at least one field');
  const names = paths.map((path) => {
    if (typeof path !== 'string')
      throw new MongoError(31120, '$unset specification must be a string or an array containing only string values');
    return path;
  });
  return new Doc(
    names,
    names.map(() => 0),
  );
}

function replaceRoot(expression: Value | undefined, scope: Scope, name: string): (doc: Doc) => Doc {
  if (expression === undefined) throw new MongoError(40231, `no newRoot specified for the ${name} stage`);
  const evaluate = compileExpression(expression, scope);
  return (doc) => {
    const value = evaluate(scope.environment(doc));
    if (value instanceof Doc) return value;
    throw new MongoError(
      40228,
      `'newRoot' expression must evaluate to an object, but resulting value was: ${value === undefined ? 'MISSING' : render(value)}. Type of resulting value: '${typeName(value)}'. Input document: ${render(doc)}`,
    );
  };
}
