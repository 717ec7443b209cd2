import { expect, test } from 'vitest';
import { wantedPorts } from '../../../src/doctor/networks.ts';
import { testSettings } from '../../support/settings.ts';

const services = (yaml: string): readonly string[] => [
  ...new Set(wantedPorts(testSettings('/state', yaml)).map((one) => one.service)),
];

test('nginx needs the port that every address carries, unless another nginx holds it', () => {
  expect(services('')).toEqual(['nginx', 'pocket-id', 'coturn']);
  expect(services('ingress: { mode: behind }')).toEqual(['pocket-id', 'coturn']);
});
