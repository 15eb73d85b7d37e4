import { DateTime, Doc, type Value } from '../bson/values.ts';
import { BINARY, type Ordering } from '../collation/ordering.ts';
import { MongoError } from '../errors.ts';

/** What an expression sees while it is evaluated for one document. */
export interface Environment {
  root: Value | undefined;
  readonly variables: (Value | undefined)[];
  readonly now: DateTime;
}

export type Evaluate = (env: Environment) => Value | undefined;
export type Compile = (expression: Value, scope: Scope) => Evaluate;
/** Compiles one operator; `name` is the operator's, for the families that share a builder. */
export type OperatorBuilder = (operand: Value, scope: Scope, compile: Compile, name: string) => Evaluate;

/** The variables of one compiled unit: each has a slot, so that evaluation never looks up a name. */
interface Frame {
  readonly environment: Environment;
  readonly ordering: Ordering;
}

/** The variables that an expression may use at one place (manual: reference/aggregation-variables). */
export class Scope {
  private readonly frame: Frame;
  private readonly names: ReadonlyMap<string, number>;

  constructor(frame: Frame, names: ReadonlyMap<string, number>) {
    this.frame = frame;
    this.names = names;
  }

  /** The one environment of this unit, turned to a document. Evaluation never outlives the call, so one is enough. */
  environment(root: Value | undefined): Environment {
    this.frame.environment.root = root;
    return this.frame.environment;
  }

  slot(name: string): number | undefined {
    return this.names.get(name);
  }

  /** How this unit compares values. */
  get ordering(): Ordering {
    return this.frame.ordering;
  }

  get now(): DateTime {
    return this.frame.environment.now;
  }

  /** A scope with one variable more, and the slot it lives in. */
  declare(name: string): { scope: Scope; slot: number } {
    checkVariableName(name);
    const slot = this.frame.environment.variables.push(undefined) - 1;
    return { scope: new Scope(this.frame, new Map(this.names).set(name, slot)), slot };
  }

  /** The current values of all variables: what a pipeline of its own inherits. */
  captured(): Map<string, Value | undefined> {
    const { variables } = this.frame.environment;
    return new Map([...this.names].map(([name, slot]) => [name, variables[slot]]));
  }

  set(slot: number, value: Value | undefined): void {
    this.frame.environment.variables[slot] = value;
  }
}

const NO_VARIABLES: ReadonlyMap<string, Value | undefined> = new Map();
const NO_NAMES: ReadonlyMap<string, number> = new Map();

export function topScope(
  variables: ReadonlyMap<string, Value | undefined> = NO_VARIABLES,
  now?: DateTime,
  ordering: Ordering = BINARY,
): Scope {
  const values = [...variables.values()];
  const names = variables.size === 0 ? NO_NAMES : new Map([...variables.keys()].map((name, slot) => [name, slot]));
  const environment = { root: undefined, variables: values, now: now ?? new DateTime(Date.now()) };
  return new Scope({ environment, ordering }, names);
}

/** The scope of a command's `let` document, whose values are constant expressions. */
export function letScope(lets: Value | undefined, compile: Compile, ordering: Ordering = BINARY): Scope {
  const outer = topScope(undefined, undefined, ordering);
  if (!(lets instanceof Doc)) return outer;
  const variables = new Map<string, Value | undefined>();
  for (const [name, expression] of lets.entries()) {
    checkVariableName(name);
    variables.set(name, compile(expression, outer)(outer.environment(Doc.EMPTY)));
  }
  return topScope(variables, outer.now, ordering);
}

function checkVariableName(name: string): void {
  if (name === 'CURRENT') return;
  if (!/^[a-z\u0080-\uffff][a-zA-Z0-9_\u0080-\uffff]*$/.test(name)) {
    throw new MongoError(16867, `'${name}' starts with an invalid character for a user variable name`);
  }
}
