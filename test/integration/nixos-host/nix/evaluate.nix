# What a host comes to that imports the module and adds `user` (a module).
{
  lib ? import ./lib.nix,
  user ? { },
}:
let
  package = name: {
    type = "derivation";
    inherit name;
    outPath = "/packages/${name}";
  };
  pkgs = builtins.listToAttrs (
    map
      (name: {
        inherit name;
        value = package name;
      })
      [
        "docker"
        "docker_29"
        "nodejs_22"
        "bash"
        "sops"
        "age"
        "git"
      ]
  );
  evaluate =
    modules:
    lib.evalModules {
      specialArgs = { inherit pkgs; };
      modules = [ ./nixos.nix ] ++ modules;
    };
  flake = import ../../../../nixos-host/flake.nix;
  self = flake.outputs {
    inherit self;
    # The inputs stand in for what would have to be fetched.
    nixpkgs = {
      lib.nixosSystem = { modules }: evaluate modules;
      legacyPackages.x86_64-linux = pkgs // {
        mkShell = shell: shell;
      };
      legacyPackages.aarch64-linux = pkgs // {
        mkShell = shell: shell;
      };
    };
  };
  failed =
    config: map (one: one.message) (builtins.filter (one: !one.assertion) config.assertions);
  result = (
    evaluate [
      self.nixosModules.default
      user
    ]
  );
in
{
  inherit flake self failed;
  inherit (result) config;
  failures = failed result.config;
}
