#!/usr/bin/env node
// The first thing that runs, in plain JavaScript and without packages: it looks after Node's version, the packages, the
// build and the Docker Engine, and then hands over to the program itself.

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(
    `error[USAGE]: Node ${process.versions.node} is too old, wanted is 20.19 or later\n  fix: install a newer Node, then run it again\n`,
  );
  process.exit(64);
}

const { main } = await import('./lib/main.mjs');
await main(process.argv.slice(2));
