import { expect, test } from 'vitest';
import { wayPast } from '../../../src/containers/docker/conflicts.ts';

test('an nginx that holds the front door may be shared; any other holder of any port may not', () => {
  const shared = /or put this stack behind that nginx: ingress\.mode: behind/;

  expect(wayPast('nginx', 'nginx (process 7)')).toMatch(shared);
  expect(wayPast('nginx', 'the container web-nginx-1')).toMatch(shared);
  expect(wayPast('nginx', 'caddy (process 7)')).not.toMatch(shared);
  expect(wayPast('pocket-id', 'nginx (process 7)')).not.toMatch(shared);
});
