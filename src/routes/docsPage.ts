import { html } from 'hono/html';
import { z } from 'zod';
import { ERROR_STATUS, type ErrorCode } from '../domain/errors.ts';
import { PROBLEM_TYPES } from '../middleware/problemTypes.ts';
import type { OpenApiDocument } from './openapi.ts';

// The parts of an OpenAPI document that the page shows. Parsing keeps the page right when a generator adds to them.

const schema = z.looseObject({
  $ref: z.string().optional(),
  type: z.union([z.string(), z.array(z.string())]).optional(),
  format: z.string().optional(),
  description: z.string().optional(),
  enum: z.array(z.unknown()).optional(),
  examples: z.array(z.unknown()).optional(),
  const: z.unknown().optional(),
  default: z.unknown().optional(),
  minimum: z.number().optional(),
  maximum: z.number().optional(),
  minLength: z.number().optional(),
  maxLength: z.number().optional(),
  required: z.array(z.string()).optional(),
  get properties() {
    return z.record(z.string(), schema).optional();
  },
  get items() {
    return schema.optional();
  },
  get anyOf() {
    return z.array(schema).optional();
  },
});
type Schema = z.output<typeof schema>;

const content = z.record(z.string(), z.object({ schema: schema.optional() })).optional();

const operation = z.object({
  operationId: z.string(),
  summary: z.string().optional(),
  description: z.string().optional(),
  tags: z.array(z.string()),
  security: z.array(z.record(z.string(), z.array(z.string()))).default([]),
  parameters: z
    .array(
      z.object({
        in: z.string(),
        name: z.string(),
        required: z.boolean().default(false),
        description: z.string().optional(),
        schema: schema.optional(),
      }),
    )
    .default([]),
  requestBody: z.object({ content }).optional(),
  responses: z.record(z.string(), z.object({ description: z.string().default(''), content })).default({}),
});

const page = z.object({
  info: z.object({ title: z.string(), version: z.string(), description: z.string().default('') }),
  tags: z.array(z.object({ name: z.string(), description: z.string().optional() })).default([]),
  paths: z.record(z.string(), z.record(z.string(), operation)),
  webhooks: z.record(z.string(), z.object({ post: operation })).default({}),
  components: z.object({
    schemas: z.record(z.string(), schema).default({}),
    securitySchemes: z.record(z.string(), z.object({ description: z.string().default('') })).default({}),
  }),
});

type Operation = z.output<typeof operation> & { method: string; path: string };
type Markup = ReturnType<typeof html>;

/** The reference as one static page: headings, tables and links, readable without a script and by a screen reader. */
export function docsPage(document: OpenApiDocument): Markup {
  const { info, tags, paths, webhooks, components } = page.parse(JSON.parse(JSON.stringify(document)));
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, each]) => ({ ...each, method: method.toUpperCase(), path })),
  );
  const schemes = Object.fromEntries(
    Object.entries(components.securitySchemes).map(([scheme, { description }]) => [scheme, description]),
  );
  const described = new Map(tags.map((tag) => [tag.name, tag.description]));
  const sections = [...new Set([...described.keys(), ...operations.flatMap((each) => each.tags)])]
    .map((tag) => ({
      tag,
      description: described.get(tag),
      operations: operations.filter((each) => each.tags.includes(tag)),
    }))
    .filter((section) => section.operations.length > 0);

  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${info.title} ${info.version}: API reference</title>
<link rel="stylesheet" href="/docs/style.css">
</head>
<body>
<a class="skip" href="#content">Skip to the content</a>
<header><h1>${info.title} ${info.version}</h1>${info.description.split('\n').map((line) => html`<p>${text(line)}</p>`)}
<p>The same for machines: <a href="/openapi.json">openapi.json</a>.</p></header>
<nav aria-label="Contents"><ul>
${sections
  .flatMap((section) => section.operations)
  .map((each) => html`<li><a href="#${each.operationId}"><code>${each.method} ${each.path}</code></a></li>`)}
<li><a href="#webhooks">What is sent to you</a></li>
<li><a href="#errors">Errors</a></li>
</ul></nav>
<main id="content">
${sections.map(
  (section) => html`<section><h2 id="tag-${section.tag.replaceAll(' ', '-')}">${section.tag}</h2>
${paragraph(section.description)}
${section.operations.map((each) => operationPart(each, schemes))}</section>`,
)}
<section><h2 id="webhooks">What is sent to you</h2>
<p>By <code>POST</code>, to the endpoints that subscribe to it.</p>
${Object.entries(webhooks).map(
  ([event, { post }]) =>
    html`<h3 id="${post.operationId}"><code>${event}</code> ${post.summary}</h3>${operationBody(post)}`,
)}</section>
<section><h2 id="errors">Errors</h2>${errorTable()}</section>
<section><h2 id="schemas">Schemas</h2>
${Object.entries(components.schemas).map(
  ([name, each]) =>
    html`<h3 id="schema-${name}">${name}</h3>${paragraph(each.description)}${fields(each, name)}${examples(each)}`,
)}</section>
</main>
</body>
</html>`;
}

function operationPart(each: Operation, schemes: Readonly<Record<string, string>>): Markup {
  return html`<article>
<h3 id="${each.operationId}"><code>${each.method} ${each.path}</code> ${each.summary}</h3>
${each.security
  .flatMap(Object.keys)
  .map(
    (scheme) => html`<p class="lock">Needs <code>Authorization: Bearer</code>: ${text(schemes[scheme] ?? scheme)}</p>`,
  )}
${operationBody(each)}
</article>`;
}

/** What is sent, and what comes back. */
function operationBody(each: z.output<typeof operation>): Markup {
  return html`${paragraph(each.description)}
${table(
  'Parameters',
  ['Name', 'In', 'Type', 'Meaning'],
  each.parameters.map((parameter) => [
    name(parameter.name, parameter.required),
    parameter.in,
    type(parameter.schema ?? {}),
    text(parameter.description ?? parameter.schema?.description ?? ''),
  ]),
)}
${Object.values(each.requestBody?.content ?? {}).map((media) => (media.schema ? html`${fields(media.schema, 'Body')}${examples(media.schema)}` : ''))}
${table(
  'Answers',
  ['Status', 'Meaning', 'Body'],
  Object.entries(each.responses).map(([status, answer]) => [
    status,
    text(answer.description),
    html`${Object.values(answer.content ?? {}).map((media) => (media.schema ? type(media.schema) : ''))}`,
  ]),
)}`;
}

/** Every code with an anchor of its own, which is where `type` of a problem points. */
function errorTable(): Markup {
  return html`<div class="table"><table>
<thead><tr><th scope="col">Code</th><th scope="col">Status</th><th scope="col">Title</th><th scope="col">What to do</th></tr></thead>
<tbody>
${ERROR_CODES.map(
  (code) => html`<tr id="${code}"><th scope="row"><code>${code}</code></th><td>${ERROR_STATUS[code]}</td>
<td>${PROBLEM_TYPES[code].title}</td><td>${text(PROBLEM_TYPES[code].meaning)}</td></tr>`,
)}
</tbody></table></div>`;
}

const ERROR_CODES = z
  .array(z.custom<ErrorCode>((code) => typeof code === 'string' && code in ERROR_STATUS))
  .parse(Object.keys(ERROR_STATUS));

function examples(each: Schema): Markup[] {
  return (each.examples ?? []).map((value) => html`<pre><code>${JSON.stringify(value, null, 2)}</code></pre>`);
}

/** The properties of an object, one row each; a list shows those of its entries. */
function fields(each: Schema, caption: string): Markup | string {
  if (each.$ref !== undefined) {
    return html`<p>${caption}: ${type(each)}</p>`;
  }
  const required = each.required ?? [];
  return table(
    caption,
    ['Field', 'Type', 'Meaning'],
    Object.entries(each.properties ?? {}).map(([field, property]) => [
      name(field, required.includes(field)),
      html`${type(property)}${property.properties ? fields(property, field) : ''}`,
      text(property.description ?? ''),
    ]),
  );
}

function type(each: Schema): Markup | string {
  if (each.$ref !== undefined) {
    const target = each.$ref.split('/').at(-1);
    return html`<a href="#schema-${target}">${target}</a>`;
  }
  if (each.items) {
    return html`list of ${type(each.items)}`;
  }
  if (each.anyOf) {
    return html`${each.anyOf.map((option, index) => html`${index > 0 ? ' or ' : ''}${type(option)}`)}`;
  }
  const words = each.enum ?? (each.const === undefined ? [] : [each.const]);
  if (words.length > 0) {
    return html`${words.map((word, index) => html`${index > 0 ? ', ' : ''}<code>${String(word)}</code>`)}`;
  }
  return [[each.type ?? 'any'].flat().join(' or '), ...limits(each)].join(', ');
}

function limits(each: Schema): string[] {
  const range = (least: number | undefined, most: number | undefined, unit: string) =>
    least === undefined && most === undefined ? [] : [`${least ?? ''} to ${most ?? ''}${unit}`];
  // Zod bounds every integer by what a double can hold; that is no rule of ours.
  const isReal = (bound: number | undefined) => bound !== undefined && Math.abs(bound) < Number.MAX_SAFE_INTEGER;
  return [
    ...(each.format === undefined ? [] : [each.format]),
    ...range(isReal(each.minimum) ? each.minimum : undefined, isReal(each.maximum) ? each.maximum : undefined, ''),
    ...range(each.minLength, each.maxLength, ' characters'),
    ...(each.default === undefined ? [] : [`default ${JSON.stringify(each.default)}`]),
  ];
}

function name(word: string, isRequired: boolean): Markup {
  return html`<code>${word}</code>${isRequired ? ' (required)' : ''}`;
}

function table(caption: string, heads: string[], rows: (Markup | string)[][]): Markup | string {
  if (rows.length === 0) {
    return '';
  }
  return html`<div class="table"><table><caption>${caption}</caption>
<thead><tr>${heads.map((head) => html`<th scope="col">${head}</th>`)}</tr></thead>
<tbody>${rows.map((row) => html`<tr>${row.map((cell) => html`<td>${cell}</td>`)}</tr>`)}</tbody></table></div>`;
}

function paragraph(words: string | undefined): Markup | string {
  return words ? html`<p>${text(words)}</p>` : '';
}

/** Words between backticks are code. */
function text(words: string): Markup {
  return html`${words.split('`').map((part, index) => (index % 2 === 1 ? html`<code>${part}</code>` : part))}`;
}
