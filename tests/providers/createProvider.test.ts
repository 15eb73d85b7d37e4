import { expect, it } from 'vitest';
import { createProvider } from '@/providers/index.ts';

it('the configuration picks the provider', () => {
  const openai = {
    kind: 'openai',
    baseURL: 'https://images.example/v1',
    apiKey: 'k',
    model: 'm',
    timeoutMs: 1000,
  } as const;
  expect(createProvider({ kind: 'procedural' }).name).toBe('procedural');
  expect(createProvider(openai).name).toBe('openai');
});

it('an address that is none is refused when the provider is made, not when the first picture is wanted', () => {
  const config = { kind: 'openai', baseURL: 'not an address', apiKey: 'k', model: 'm', timeoutMs: 1000 } as const;
  expect(() => createProvider(config)).toThrow(TypeError);
});
