import { z } from 'zod';
import { ERROR_STATUS } from '../domain/errors.ts';

const errorCodes = Object.keys(ERROR_STATUS);

/** RFC 9457, with the members that Artifex adds. Errors of some codes say more; those members are theirs. */
export const problemSchema = z
  .looseObject({
    type: z.string().describe('A reference to the meaning of the code, relative to this server.'),
    title: z.string(),
    status: z.int(),
    detail: z.string().describe('What happened and what to do next, for people.'),
    instance: z.string().describe('The path of the request.'),
    code: z.enum(errorCodes).describe('The stable word for programs.'),
    errors: z
      .array(
        z.object({
          path: z.string().describe('Dotted; empty for the whole input.'),
          message: z.string(),
        }),
      )
      .optional()
      .describe('With `validation_failed`: one entry per field to mend.'),
  })
  .meta({ id: 'Problem' });
