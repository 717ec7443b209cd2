import type { AcmePorts } from '../../../src/acme/renewal/records.ts';
import type { AcmeDesired } from '../../../src/acme/policy.ts';
import { createCloudflare } from '../../../src/dns/cloudflare.ts';
import { createPropagation } from '../../../src/dns/propagation.ts';
import { createTxtPort } from '../../../src/dns/txt.ts';
import { createHttp, type Http } from '../../../src/shared/http.ts';

/** Limits for what a test lets hang: a run that meets one ends soon. Whatever is slow besides ends as one that hangs. */
const hastyMs = { call: 2000, query: 1000 };

const hasty = (http: Http): Http => ({
  ...http,
  call: async (method, url, options = {}) =>
    http.call(method, url, {
      ...options,
      timeoutMs: Math.min(options.timeoutMs ?? hastyMs.call, hastyMs.call),
    }),
});

/** The way this program reaches Cloudflare and the name servers: nothing in between is a double. */
export const portsFor = (wanted: AcmeDesired, who = 'a test', isHasty = false): AcmePorts => {
  const http = createHttp();
  const provider = createCloudflare({
    api: wanted.cloudflare.api,
    token: async () => Promise.resolve('edit-token_1'),
    http,
    ...(isHasty ? { callTimeoutMs: hastyMs.call } : {}),
  });
  const propagation = createPropagation({
    ...wanted.dns,
    lookup: http.lookup,
    ...(isHasty ? { queryTimeoutMs: hastyMs.query } : {}),
  });
  const open = (ca: readonly string[]) => createHttp({ ca });
  return { http: isHasty ? (ca) => hasty(open(ca)) : open, txt: createTxtPort(provider, propagation), who };
};
