import { type OpenaiConfig, openaiProvider } from './openai.ts';
import type { ImageProvider } from './port.ts';
import { proceduralProvider } from './procedural.ts';

/** Which provider draws, with what it needs. */
export type ProviderConfig = { kind: 'procedural' } | ({ kind: 'openai' } & OpenaiConfig);

/**
 * The provider of that configuration.
 *
 * @example
 * createProvider({ kind: 'procedural' });
 * @throws {TypeError} when `baseURL` is no address.
 */
export function createProvider(config: ProviderConfig): ImageProvider {
  switch (config.kind) {
    case 'procedural':
      return proceduralProvider();
    case 'openai':
      return openaiProvider(config);
  }
}
