import { describe, expect, test } from 'vitest';
import { readDiscovery } from '../../../../src/oidc/proof/metadata.ts';
import { httpTo } from '../support/http.ts';
import { never } from '../support/stage.ts';

const issuer = 'https://pocketid.lab.test';
const patient = { totalMs: 60_000, pauseMs: 0 };

/** A public name that gives these answers one after the other, and the last of them for good. */
const answering = (...answers: readonly (number | string)[]) => {
  const asked: string[] = [];
  const http = httpTo(({ url }) => {
    const one = answers[Math.min(asked.length, answers.length - 1)] ?? 200;
    asked.push(url);
    if (typeof one === 'string') throw Object.assign(new Error(one), { code: one });
    return Response.json({}, { status: one });
  });
  return { asked, http };
};

describe('what the issuer says of itself', () => {
  test('is asked for again while nginx knows only the old address of Pocket ID, or starts itself', async () => {
    const { asked, http } = answering(502, 503, 504, 'ECONNRESET', 'ECONNREFUSED', 200);

    expect(await readDiscovery(http, issuer, patient, never)).toMatchObject({ status: 200 });
    expect(new Set(asked)).toEqual(new Set([`${issuer}/.well-known/openid-configuration`]));
    expect(asked.length).toBe(6);
  });

  test.each([404, 500])('is not asked for again after %i', async (status) => {
    const { asked, http } = answering(status, 200);

    expect(await readDiscovery(http, issuer, patient, never)).toMatchObject({ status });
    expect(asked.length).toBe(1);
  });

  test('is not asked for again where the certificate is wrong', async () => {
    const { asked, http } = answering('CERT_HAS_EXPIRED', 200);

    await expect(readDiscovery(http, issuer, patient, never)).rejects.toThrow('CERT_HAS_EXPIRED');
    expect(asked.length).toBe(1);
  });

  test('is what was met last, when the patience is at its end', async () => {
    const little = { totalMs: 20, pauseMs: 1 };

    expect(await readDiscovery(answering(502).http, issuer, little, never)).toMatchObject({ status: 502 });
    await expect(readDiscovery(answering('ECONNREFUSED').http, issuer, little, never)).rejects.toThrow(
      'ECONNREFUSED',
    );
  });

  test('is not waited for where the run is interrupted', async () => {
    const abort = new AbortController();
    const reason = new Error('interrupted');
    const { http } = answering(502);
    const waiting = readDiscovery(http, issuer, { totalMs: 600_000, pauseMs: 300_000 }, abort.signal);

    abort.abort(reason);

    await expect(waiting).rejects.toBe(reason);
  });
});
