import { check } from './check.ts';

export default {
  fetch: async () => Response.json(await check()),
};
