import { clientAddress } from './client-address.ts';
import type { Call, Service } from './service.ts';

/** The address whose rate limits this call counts against. */
export const callerAddress = (service: Service, call: Call): string =>
  clientAddress(
    call.env.incoming?.socket.remoteAddress ?? '',
    call.req.header('x-forwarded-for'),
    service.options.trustedProxies,
  );
