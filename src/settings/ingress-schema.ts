import * as z from 'zod';

const listen = z
  .string()
  .regex(
    /^((\d{1,3}(\.\d{1,3}){3}|\[[0-9a-f:]+\]):)?\d{1,5}$/,
    'is not a port, or address:port, as in listen of nginx',
  );

/** Who holds the port, and what another nginx that does has to be told. */
export const ingress = z
  .strictObject({
    mode: z
      .enum(['own', 'behind'])
      .default('own')
      .describe('own: nginx of the stack holds the port. behind: another nginx on this machine does'),
    listen: z
      .array(listen)
      .default([])
      .describe('behind: what the other nginx listens on in its other virtual hosts; empty: the port'),
    group: z
      .union([z.string().regex(/^[a-z_][a-z0-9_-]*$/, 'is not the name of a group'), z.int().min(0)])
      .default('auto')
      .describe(
        'behind: group of the other nginx, which may read the certificate. auto: nginx, www-data or http, which is there',
      ),
  })
  .prefault({})
  .describe('the front door');
