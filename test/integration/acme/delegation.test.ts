import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { zoneName } from '../../support/cloudflare.ts';
import { startLocalWorld, type LocalWorld } from './local-world.ts';

describe('_acme-challenge that is delegated by an alias', () => {
  let world: LocalWorld;
  beforeAll(async () => {
    world = await startLocalWorld();
  });
  afterAll(async () => {
    world.provider.faults.clear();
    await world.stop();
  });
  const alias = async (label: string, content: string) =>
    world.foreign(zoneName, { type: 'CNAME', name: `_acme-challenge.${label}.${zoneName}`, content });

  test('leads to another zone: the record is made there, and removed there', async () => {
    await alias('netbird', 'netbird.acme.other.test');

    const { outcome, done, error } = await world.order(world.wishes('delegated'));

    expect({ outcome, error }).toEqual({ outcome: 'issued', error: undefined });
    expect(done).toContain('create TXT netbird.acme.other.test');
    expect(world.txtNames()).toEqual([]);
  });

  test('leads there, and a run is ended in between: the next run removes it there', async () => {
    const wanted = world.wishes('cut-off');
    world.provider.faults.set({
      http: [{ method: 'DELETE', answer: { kind: 'error', status: 400, code: 9999, message: 'no' } }],
    });
    await world.order(wanted);
    const left = world.txtNames();
    world.provider.faults.clear();

    await world.work(wanted);

    expect(left).toEqual(['netbird.acme.other.test']);
    expect(world.txtNames()).toEqual([]);
  });

  test('leads in a circle: the error shows it, and nothing was made', async () => {
    await alias('circle', `_acme-challenge.back.${zoneName}`);
    await alias('back', `_acme-challenge.circle.${zoneName}`);

    const { error, done } = await world.order(world.wishes('circle', { names: [`circle.${zoneName}`] }));

    expect(error).toMatchObject({
      code: 'RECORD_CONFLICT',
      message: expect.stringContaining('leads nowhere') as unknown,
    });
    expect(done.filter((what) => what.includes('TXT _acme'))).toEqual([]);
  });

  test('leads to a zone that the token does not see: the error names both', async () => {
    await alias('far', 'far.elsewhere.test');

    const { error } = await world.order(world.wishes('far', { names: [`far.${zoneName}`] }));

    expect(error).toMatchObject({
      code: 'ZONE_NOT_FOUND',
      message: expect.stringContaining('is an alias of far.elsewhere.test') as unknown,
    });
  });

  test('is only answered so by a wildcard: nothing is followed', async () => {
    await world.foreign(zoneName, { type: 'CNAME', name: `*.wild.${zoneName}`, content: 'host.other.test' });

    const { outcome, done } = await world.order(world.wishes('wild', { names: [`a.wild.${zoneName}`] }));

    expect(outcome).toBe('issued');
    expect(done).toContain(`create TXT _acme-challenge.a.wild.${zoneName}`);
  });
});
