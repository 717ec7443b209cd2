{
  description = "skylab-stack on NixOS: a module that enables Docker and opens what must be open, and a shell with the tools";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-25.11";

  outputs =
    { self, nixpkgs }:
    let
      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      forSystems =
        make:
        builtins.listToAttrs (
          map (system: {
            name = system;
            value = make nixpkgs.legacyPackages.${system};
          }) systems
        );
    in
    {
      nixosModules.default = ./module.nix;
      nixosModules.skylab = self.nixosModules.default;

      # Needs nixpkgs itself, so the tests of this repository, which run offline, do not build it.
      nixosConfigurations.SKYLAB = nixpkgs.lib.nixosSystem {
        modules = [
          self.nixosModules.default
          ./hosts/SKYLAB
        ];
      };

      # What `npm run up` needs beside Docker, which the module brings, its client and Compose too.
      devShells = forSystems (pkgs: {
        default = pkgs.mkShell {
          packages = [
            pkgs.nodejs_22
            pkgs.sops
            pkgs.age
            pkgs.git
          ];
          # The program is never to install packages of another system's here.
          SKYLAB_INSTALL = "no";
        };
      });

      # Needs nixpkgs itself and a machine with KVM, so the tests of this repository do not run it.
      checks = forSystems (pkgs: {
        host = import ./tests/host.nix {
          inherit pkgs;
          module = self.nixosModules.default;
        };
      });
    };
}
