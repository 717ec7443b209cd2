import { describe, expect, test } from 'vitest';
import { localNetworks, takenSubnet } from '../../../src/containers/docker/conflicts.ts';

/*
 * A subnet that is wanted, against the routes and addresses of this machine.
 */

const gone = { routes: [{ subnet: '203.0.113.0/24', via: 'br-0123456789ab' }], interfaces: {} };

describe('a subnet', () => {
  test('is free where its only route is that of a network which was just removed', async () => {
    expect(await takenSubnet('203.0.113.0/24', [], gone)).toBeUndefined();
  });

  test('is taken where an address of this machine lies in it', async () => {
    expect(await takenSubnet('127.0.0.0/16', [], await localNetworks())).toMatchObject({
      code: 'SUBNET_TAKEN',
      message: expect.stringContaining('lo') as unknown,
    });
  });

  test('is taken where a network of the Engine has it', async () => {
    const networks = [{ id: '1', name: 'other', project: undefined, subnets: ['203.0.113.0/25'] }];

    expect(await takenSubnet('203.0.113.0/24', networks, gone)).toMatchObject({
      message: expect.stringContaining('the Docker network "other"') as unknown,
    });
  });
});
