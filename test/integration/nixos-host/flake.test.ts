import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { evaluate, hasNoNix, parseErrors } from './nix.ts';

/*
 * The flake's outputs, called with inputs that stand in for nixpkgs: nothing is fetched.
 */

const root = resolve('nixos-host');
const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) =>
  name.endsWith('.nix'),
);
const self = '(host { }).self';

describe.skipIf(hasNoNix)('the flake', () => {
  test.each(files)('%s is well-formed', async (file) => {
    expect(await parseErrors(resolve(root, file))).toBe('');
  });

  test('follows one release of NixOS and nothing else', async () => {
    expect(await evaluate('(host { }).flake.inputs')).toEqual({
      nixpkgs: { url: 'github:NixOS/nixpkgs/nixos-25.11' },
    });
  });

  test('has the module under its two names', async () => {
    expect(await evaluate(`builtins.attrNames ${self}.nixosModules`)).toEqual(['default', 'skylab']);
    expect(await evaluate(`${self}.nixosModules.skylab == ${self}.nixosModules.default`)).toBe(true);
  });

  test.each(['x86_64-linux', 'aarch64-linux'])(
    'has a shell with what npm run up needs on %s',
    async (system) => {
      expect(await evaluate(`${self}.devShells.${system}.default`)).toEqual({
        packages: ['/packages/nodejs_22', '/packages/sops', '/packages/age', '/packages/git'],
        SKYLAB_INSTALL: 'no',
      });
      expect(await evaluate(`builtins.attrNames ${self}.checks.${system}`)).toEqual(['host']);
    },
  );

  test('has SKYLAB, which lacks only the description of its hardware', async () => {
    const host = `${self}.nixosConfigurations.SKYLAB.config`;

    expect(await evaluate(`(host { }).failed ${host}`)).toEqual([
      expect.stringContaining('hosts/SKYLAB/hardware-configuration.nix is missing'),
    ]);
    expect(await evaluate(`${host}.networking.hostName`)).toBe('SKYLAB');
    expect(await evaluate(`${host}.virtualisation.docker.enable`)).toBe(true);
  });

  test('opens for SKYLAB what the settings of SKYLAB say', async () => {
    const settings = parse(readFileSync('compose/hosts/SKYLAB/settings.yaml', 'utf8')) as {
      reachability: { stun_port: number };
      turn: { relay_ports: { min: number; max: number } };
    };
    const { min, max } = settings.turn.relay_ports;
    const opened = `{ inherit (${self}.nixosConfigurations.SKYLAB.config.networking.firewall) allowedUDPPorts allowedUDPPortRanges; }`;

    expect(await evaluate(opened)).toEqual({
      allowedUDPPorts: [settings.reachability.stun_port],
      allowedUDPPortRanges: [{ from: min, to: max }],
    });
  });
});
