import { describe, expect, it } from 'vitest';
import { EnvironmentError, readEnv } from '@/config/env.ts';
import { tellOfClearData } from '@/runtimes/clearData.ts';
import { keptLog } from '../support/api.ts';
import { keyOf } from './support.ts';

describe('a server', () => {
  it('without keys says at its start that data is stored in the clear', () => {
    const { log, lines } = keptLog();
    tellOfClearData(readEnv({}), log);
    expect(lines).toMatchObject([{ level: 'warn', msg: expect.stringContaining('FIELD_ENCRYPTION_KEYS is not set') }]);
  });

  it('with keys says nothing', () => {
    const { log, lines } = keptLog();
    tellOfClearData(readEnv({ FIELD_ENCRYPTION_KEYS: `k1:${keyOf('k1').key}` }), log);
    expect(lines).toEqual([]);
  });

  it('in production does not start without keys', () => {
    expect(() => readEnv({ NODE_ENV: 'production' })).toThrow(EnvironmentError);
    expect(() => readEnv({ NODE_ENV: 'production' })).toThrow(/^FIELD_ENCRYPTION_KEYS is missing/m);
  });
});
