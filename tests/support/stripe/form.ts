/** What a form body or a query carries: `items[0][price]=x` is a list in an object (https://docs.stripe.com/api, "Request bodies"). */
export interface Params {
  [name: string]: Param;
}
export type Param = string | Param[] | Params;

export function parseForm(encoded: string): Params {
  const root: Params = {};
  for (const [name, value] of new URLSearchParams(encoded)) {
    const [first = '', ...rest] = name.split('[').map((part) => part.replace(/\]$/, ''));
    put(root, [first, ...rest], value);
  }
  return collapsed(root);
}

function put(target: Params, [head = '', ...rest]: string[], value: string): void {
  if (rest.length === 0) {
    target[head] = value;
    return;
  }
  // `expand[]=a&expand[]=b`: the empty name appends.
  const inner = target[head];
  const child: Params = isObject(inner) ? inner : {};
  target[head] = child;
  const [next = ''] = rest;
  put(child, next === '' ? [String(Object.keys(child).length), ...rest.slice(1)] : rest, value);
}

/** Objects whose names count from 0 are lists. */
function collapsed(params: Params): Params {
  return Object.fromEntries(Object.entries(params).map(([name, value]) => [name, listed(value)]));
}

function listed(value: Param): Param {
  if (!isObject(value)) return value;
  const inner = collapsed(value);
  const names = Object.keys(inner);
  return names.length > 0 && names.every((name, index) => name === String(index)) ? Object.values(inner) : inner;
}

export function isObject(value: Param | undefined): value is Params {
  return typeof value === 'object' && !Array.isArray(value);
}

export const text = (value: Param | undefined): string | undefined => (typeof value === 'string' ? value : undefined);

export const flag = (value: Param | undefined): boolean | undefined =>
  value === undefined ? undefined : value === 'true';

export const whole = (value: Param | undefined): number | undefined =>
  value === undefined ? undefined : Number(text(value));

export const within = (value: Param | undefined): Params => (isObject(value) ? value : {});

export const all = (value: Param | undefined): Params[] => (Array.isArray(value) ? value.filter(isObject) : []);

/** Texts by name, as metadata are. */
export function texts(value: Param | undefined): Record<string, string> {
  return Object.fromEntries(
    Object.entries(within(value)).flatMap(([name, one]) => (typeof one === 'string' ? [[name, one]] : [])),
  );
}
