import { isIP } from 'node:net';
import { createDnsArea } from '../dns/apply.ts';
import { createCloudflare } from '../dns/cloudflare.ts';
import { readFollowed } from '../dns/follow/files.ts';
import { leadNames } from '../dns/follow/lead.ts';
import type { Effects } from '../orchestrator/effects.ts';
import { StackError } from '../shared/errors.ts';
import { createHttp } from '../shared/http.ts';

/**
 * Leads the names that `up` wrote into `folder` to an address; returns what there is to tell.
 * @throws {StackError} USAGE where none is followed; as `leadNames` does
 */
export const renewRecords = async (
  folder: string,
  address: string,
  token: () => Promise<string>,
  effects: Effects,
  signal: AbortSignal,
): Promise<string | undefined> => {
  const followed = await readFollowed(folder);
  if (isIP(address) === 0 || followed === undefined) {
    throw new StackError('USAGE', `there is nothing that could be led to "${address}"`, {
      hint: 'the certs service calls itself so; npm run up does the same for all names',
    });
  }
  const http = createHttp();
  try {
    const provider = createCloudflare({ api: followed.api, http, token });
    const area = createDnsArea({ provider, http }, { adopt: false });
    return await leadNames(followed, address, area, effects, signal);
  } finally {
    http.close();
  }
};
