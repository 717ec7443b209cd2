import { describe, expect, test } from 'vitest';
import { frontGroup, gidIn } from '../../../src/settings/front-group.ts';
import type { StackError } from '../../../src/shared/errors.ts';
import { testSettings } from '../../support/settings.ts';

describe('the nginx that holds the port', () => {
  const groups = 'root:x:0:\nwww-data:x:33:anna,ben\nnginx-debug:x:77:\nbroken\n';

  test('has its group by name', () => {
    expect(gidIn(groups, 'www-data')).toBe(33);
    expect(gidIn(groups, 'nginx')).toBeUndefined();
    expect(gidIn(groups, 'broken')).toBeUndefined();
  });

  test('has its group by number, whatever this machine knows; ours needs none', async () => {
    expect(await frontGroup({ mode: 'behind', listen: [], group: 4242 })).toBe(4242);
    expect(await frontGroup({ mode: 'own', listen: [], group: 'auto' })).toBeUndefined();
  });

  test('is missing where no such group is', async () => {
    expect(await frontGroup({ mode: 'behind', listen: [], group: 'no-such-group' })).toBe(
      'this machine has no group "no-such-group"',
    );
  });

  test('listens on the port that the issuer carries, and on no other', () => {
    const read = () => testSettings('/state', 'ingress: { mode: behind, listen: ["443", "[::]:18443"] }');

    expect(read).toThrow(
      expect.objectContaining({
        data: expect.objectContaining({
          problems: [
            'ingress/listen/0: names port 443; every address carries reachability.port, which is 18443',
          ],
        }) as unknown,
      }) as StackError,
    );
  });
});
