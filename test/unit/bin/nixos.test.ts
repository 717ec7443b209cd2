import { expect, test } from 'vitest';
// Plain JavaScript without types: it runs before any package is there.
// @ts-expect-error -- no declaration
import { decide } from '../../../bin/lib/decide.mjs';

test.each([
  ['there is none', { errno: 'ENOENT' }, 'services.skylab.enable = true'],
  ['it is not for this user', { errno: 'EACCES' }, 'services.skylab.operators'],
])('the Engine is a matter of the configuration on NixOS where %s', (_title, engine, fix) => {
  const facts = {
    engine,
    isRoot: true,
    os: { id: 'nixos', like: '', codename: 'xantusia' },
    hasDockerd: false,
    foreign: [],
    install: 'yes',
    hasTerminal: true,
    isSandbox: true,
    init: 'systemd',
  };

  expect(() => decide(facts) as unknown).toThrow(
    expect.objectContaining({ fix: expect.stringContaining(fix) as unknown }),
  );
});
