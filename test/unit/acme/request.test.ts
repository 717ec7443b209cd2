// @peculiar/x509 finds its algorithms through tsyringe, which needs this polyfill before it is loaded.
import 'reflect-metadata';
import { createPrivateKey } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { expect, test } from 'vitest';
import { createKey, createRequest } from '../../../src/acme/client.ts';

test('a request is signed by its P-256 key, and has its names in the extension only', async () => {
  const names = ['netbird.example.org', '*.example.org'];
  const key = await createKey();

  const request = new x509.Pkcs10CertificateRequest(await createRequest(names, key));

  expect(request.subject).toBe('');
  expect(await request.verify()).toBe(true);
  const alternative = request.extensions.find((one) => one instanceof x509.SubjectAlternativeNameExtension);
  expect(alternative?.names.items.map((one) => one.value)).toEqual(names);
  expect(createPrivateKey(key).asymmetricKeyDetails).toEqual({ namedCurve: 'prime256v1' });
  expect(await createKey()).not.toBe(key);
});
