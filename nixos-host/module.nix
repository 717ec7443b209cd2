# What a NixOS host needs so that `npm run up` can do the rest: Docker, the people who may use it, and the ports of what
# runs in the host's own network. Nothing about names, certificates or people: that is in compose/hosts/<host>/.
# Every policy is a default (mkDefault): set the option named beside it, and yours counts.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib)
    concatStringsSep
    mkDefault
    mkEnableOption
    mkIf
    mkMerge
    mkOption
    optional
    types
    ;

  cfg = config.services.skylab;
  docker = config.virtualisation.docker;
  podman = config.virtualisation.podman;
  nftables = config.networking.nftables;
  firewall = config.networking.firewall;

  unknownOperators = builtins.filter (name: !(config.users.users ? ${name})) cfg.operators;

  # `daemon.settings` of the Docker module takes any key, so it may name a driver behind the back of `logDriver`.
  effectiveLogDriver = docker.daemon.settings.log-driver or docker.logDriver;

  sameInterface = builtins.filter (client: client.interface == cfg.peer.interface) (
    builtins.attrValues config.services.netbird.clients
  );

  needsClone = cfg.up.atBoot || cfg.timers.renew.enable;

  # One verb of the program as a unit: the same as typing it, without a terminal.
  verbUnit = verb: {
    after = [
      "docker.service"
      "network-online.target"
    ];
    wants = [
      "docker.service"
      "network-online.target"
    ];
    # nixos-rebuild switch changes the host; the stack is changed by whoever runs the program.
    restartIfChanged = false;
    environment = {
      SKYLAB_INSTALL = "no";
    }
    // (if cfg.ageKeyFile == null then { } else { SOPS_AGE_KEY_FILE = cfg.ageKeyFile; });
    path = [
      docker.package
      cfg.nodejs
      pkgs.bash
      pkgs.sops
      pkgs.age
    ];
    unitConfig = {
      StartLimitIntervalSec = 3600;
      StartLimitBurst = 5;
    };
    serviceConfig = {
      Type = "oneshot";
      User = cfg.user;
      WorkingDirectory = cfg.clone;
      ExecStart = "${cfg.nodejs}/bin/node ${cfg.clone}/bin/skylab.mjs ${verb} --host ${cfg.host}";
      TimeoutStartSec = "30min";
      Restart = "on-failure";
      RestartSec = 60;
      # A bug, a refusal, a wrong command line, wrong settings: the same again a minute later helps nobody.
      RestartPreventExitStatus = "1 6 64 78";
    };
  };
in
{
  options.services.skylab = {
    enable = mkEnableOption "what the skylab stack needs of this host: Docker, and open ports";

    operators = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "ada" ];
      description = ''
        Accounts of this host that may talk to Docker. They join the group `docker`, and that is as good as root: who may
        start a container can mount the whole disk into it. Empty: only root runs `npm run up`.
      '';
    };

    publishedPortsAreKnown = mkOption {
      type = types.bool;
      default = false;
      description = "Set to true when you have read the warning about published ports; it is then no longer shown.";
    };

    turn = {
      openFirewall = mkOption {
        type = types.bool;
        default = true;
        description = ''
          Opens the UDP ports of coturn, which runs in the host's own network (setting `turn.network: host`). With
          `turn.network: bridge` Docker publishes them, and nothing needs to be opened.
        '';
      };
      stunPort = mkOption {
        type = types.port;
        default = 3478;
        description = "UDP port of STUN and TURN: setting `reachability.stun_port`.";
      };
      relayPorts = {
        from = mkOption {
          type = types.port;
          default = 49152;
          description = "First UDP port of relayed connections: setting `turn.relay_ports.min`.";
        };
        to = mkOption {
          type = types.port;
          default = 49181;
          description = "Last UDP port of relayed connections: setting `turn.relay_ports.max`.";
        };
      };
    };

    peer = {
      enable = mkEnableOption ''
        the host as a device of its own mesh (setting `mesh.peer: true`): kernel modules, WireGuard's port, and hands off
        its interface'';
      interface = mkOption {
        type = types.strMatching "[a-z][a-z0-9-]{0,14}";
        default = "wt0";
        description = "Interface that the NetBird client makes.";
      };
      port = mkOption {
        type = types.port;
        default = 51820;
        description = "UDP port of WireGuard. Open, so that devices reach this host without a relay.";
      };
      allowedTCPPorts = mkOption {
        type = types.listOf types.port;
        default = [ ];
        example = [
          2283
          8096
        ];
        description = ''
          TCP ports of this host that are open to the mesh, and to nobody else. Needed for what listens on the host
          itself; what Docker publishes on the address of the mesh passes by this firewall.
        '';
      };
      allowedUDPPorts = mkOption {
        type = types.listOf types.port;
        default = [ ];
        description = "UDP ports of this host that are open to the mesh, and to nobody else.";
      };
      usesRoutes = mkOption {
        type = types.bool;
        default = false;
        description = ''
          True when this host itself uses networks or exit nodes of other peers: answers then arrive on another interface
          than the kernel expects, and the reverse path filter has to be loose. Serving networks does not need it.
        '';
      };
    };

    clone = mkOption {
      type = types.nullOr (types.strMatching "/[A-Za-z0-9._/-]+");
      default = null;
      example = "/srv/skylab-stack";
      description = "Where the repository is cloned to on this host; for the units below. It is written to (packages, build).";
    };

    host = mkOption {
      type = types.strMatching "[A-Za-z0-9][A-Za-z0-9_-]*";
      default = config.networking.hostName;
      defaultText = lib.literalExpression "config.networking.hostName";
      description = "Folder in `compose/hosts/` that the units below use.";
    };

    user = mkOption {
      type = types.str;
      default = "root";
      description = "Account that the units below run as: the one that runs `npm run up` by hand, and owns the clone.";
    };

    ageKeyFile = mkOption {
      type = types.nullOr (types.strMatching "/[A-Za-z0-9._/-]+");
      default = null;
      example = "/var/lib/secrets/age.key";
      description = "age key that sops decrypts the Cloudflare token with; null: where sops looks by itself.";
    };

    nodejs = mkOption {
      type = types.package;
      default = pkgs.nodejs_22;
      defaultText = lib.literalExpression "pkgs.nodejs_22";
      description = "Node that the units below run with; 20.19 or later.";
    };

    up.atBoot = mkOption {
      type = types.bool;
      default = false;
      description = ''
        Runs `up` after each boot. Not needed for the containers: Docker starts them. It mends what changed meanwhile,
        such as the public address in the DNS records.
      '';
    };

    timers.renew = {
      enable = mkEnableOption ''
        `renew` by a timer. Not needed as long as the container `certs` runs: it renews by itself'';
      dates = mkOption {
        type = types.str;
        default = "daily";
        description = "When, in the form of {manpage}`systemd.time(7)`.";
      };
    };
  };

  config = mkIf cfg.enable (mkMerge [
    {
      virtualisation.docker = {
        enable = mkDefault true;
        # Containers start at boot only if the daemon does.
        enableOnBoot = mkDefault true;
        # Without --volumes and without --all: what nobody uses, never data, never an image with a name.
        autoPrune.enable = mkDefault true;
        autoPrune.dates = mkDefault "weekly";
        # At a shutdown the Engine then stops each service with its own signal and time: PostgreSQL's is its own.
        daemon.settings.live-restore = mkDefault false;
      };
      users.groups.docker.members = cfg.operators;
      # dhcpcd would ask for an address on every container's end of a cable, and set routes that lead nowhere.
      networking.dhcpcd.denyInterfaces = [ "veth*" ];
    }

    # 25.11 still has Docker 28 as its default, which is no longer maintained, marked as insecure, and so not built.
    (mkIf (config.system.nixos.release == "25.11") {
      virtualisation.docker.package = mkDefault (pkgs.docker_29 or pkgs.docker);
    })

    # The stack's own containers bring their limits along. These are for the others, and each driver has its own way:
    # an option that a driver does not know keeps the daemon from starting.
    (mkIf (docker.logDriver == "journald") {
      services.journald.extraConfig = mkDefault "SystemMaxUse=1G";
    })
    (mkIf (docker.logDriver == "json-file" || docker.logDriver == "local") {
      virtualisation.docker.daemon.settings.log-opts = mkDefault {
        max-size = "10m";
        max-file = "3";
      };
    })

    (mkIf cfg.turn.openFirewall {
      networking.firewall = {
        allowedUDPPorts = [ cfg.turn.stunPort ];
        allowedUDPPortRanges = [ { inherit (cfg.turn.relayPorts) from to; } ];
      };
    })

    (mkIf cfg.peer.enable {
      # The client runs in a container and can load neither; without the first it is slow, without the second it is not.
      boot.kernelModules = [
        "wireguard"
        "tun"
      ];
      networking = {
        firewall.allowedUDPPorts = [ cfg.peer.port ];
        firewall.interfaces.${cfg.peer.interface} = {
          inherit (cfg.peer) allowedTCPPorts allowedUDPPorts;
        };
        dhcpcd.denyInterfaces = [ cfg.peer.interface ];
        networkmanager.unmanaged = [ "interface-name:${cfg.peer.interface}" ];
      };
      systemd.network.networks."50-skylab-${cfg.peer.interface}" = mkIf config.networking.useNetworkd {
        matchConfig.Name = cfg.peer.interface;
        linkConfig = {
          Unmanaged = true;
          ActivationPolicy = "manual";
        };
      };
    })
    (mkIf (cfg.peer.enable && cfg.peer.usesRoutes) {
      networking.firewall.checkReversePath = mkDefault "loose";
    })

    (mkIf cfg.up.atBoot {
      systemd.services.skylab-up = verbUnit "up" // {
        description = "skylab: make everything so";
        wantedBy = [ "multi-user.target" ];
      };
    })
    (mkIf cfg.timers.renew.enable {
      systemd.services.skylab-renew = verbUnit "renew" // {
        description = "skylab: renew the certificate if it is due";
        startAt = cfg.timers.renew.dates;
      };
      systemd.timers.skylab-renew.timerConfig = {
        Persistent = true;
        RandomizedDelaySec = "1h";
      };
    })

    {
      assertions = [
        {
          assertion = docker.enable;
          message = "services.skylab needs Docker, and virtualisation.docker.enable is false: remove that line.";
        }
        {
          assertion = unknownOperators == [ ];
          message = "services.skylab.operators names accounts that this host does not have: ${concatStringsSep ", " unknownOperators}. Declare them in users.users, or mend the names.";
        }
        {
          assertion = !(podman.enable && (podman.dockerCompat || podman.dockerSocket.enable));
          message = "Podman stands in Docker's place (virtualisation.podman.dockerCompat or dockerSocket.enable), and the stack needs Docker itself: set both to false. Podman beside Docker is fine.";
        }
        {
          assertion = !(docker.rootless.enable && docker.rootless.setSocketVariable);
          message = "virtualisation.docker.rootless.setSocketVariable leads people to a second, rootless Docker, where the stack does not run: set it to false.";
        }
        {
          assertion = effectiveLogDriver == docker.logDriver;
          message = "virtualisation.docker.daemon.settings.log-driver says ${effectiveLogDriver}, and virtualisation.docker.logDriver says ${docker.logDriver}: set only logDriver, so that the log limits suit it.";
        }
        {
          assertion = !(builtins.elem "--volumes" docker.autoPrune.flags);
          message = "virtualisation.docker.autoPrune.flags has --volumes: the weekly cleaning would remove data. Take it out.";
        }
        {
          assertion = !(nftables.enable && nftables.flushRuleset);
          message = "networking.nftables.flushRuleset removes Docker's own rules at each change of the firewall, and the containers are cut off until Docker restarts: set it to false.";
        }
        {
          assertion = !firewall.filterForward;
          message = "networking.firewall.filterForward drops what goes to and from containers: set it to false.";
        }
        {
          assertion = cfg.turn.relayPorts.from <= cfg.turn.relayPorts.to;
          message = "services.skylab.turn.relayPorts: from (${toString cfg.turn.relayPorts.from}) comes after to (${toString cfg.turn.relayPorts.to}).";
        }
        {
          assertion = !cfg.peer.enable || sameInterface == [ ];
          message = "services.skylab.peer and services.netbird both want the interface ${cfg.peer.interface}: turn one off, or name another interface in services.netbird.clients.";
        }
        {
          assertion = !needsClone || cfg.clone != null;
          message = "services.skylab.up.atBoot and timers.renew need services.skylab.clone: the folder that the repository was cloned to, such as /srv/skylab-stack.";
        }
        {
          assertion = cfg.clone == null || !(lib.hasPrefix builtins.storeDir cfg.clone);
          message = "services.skylab.clone is in the Nix store, which nobody can write to: name a clone, such as /srv/skylab-stack.";
        }
      ];

      warnings =
        optional (firewall.enable && !cfg.publishedPortsAreKnown) ''
          services.skylab: ports that Docker publishes pass by the NixOS firewall. A port is open to whoever reaches the
          address it is bound to, whatever networking.firewall.allowedTCPPorts says. This stack therefore binds addresses:
          Pocket ID 127.0.0.1, nginx the address in the setting reachability.bind (127.0.0.1 until you set it). Choose the
          address of your LAN there, not 0.0.0.0, unless you mean everybody. For containers of your own write
          "127.0.0.1:8096:8096", not "8096:8096". Read it? services.skylab.publishedPortsAreKnown = true;
        ''
        ++ optional nftables.enable ''
          services.skylab: networking.nftables.enable is on, and Docker writes its rules with iptables. Both work side by
          side as long as nobody flushes the whole ruleset, by hand or in networking.nftables.ruleset. After such a
          change: systemctl restart docker.
        '';
    }
  ]);
}
