# As much of nixpkgs' lib as the module uses, so that it can be evaluated offline: options with types, definitions with
# priorities and conditions, merged as nixpkgs merges them (lib/modules.nix, lib/types.nix there). What it does not know it
# refuses. SKYLAB_NIXPKGS leads the tests to the real one, with the same results.
let
  inherit (builtins)
    all
    any
    attrNames
    attrValues
    concatLists
    concatMap
    concatStringsSep
    elem
    filter
    foldl'
    isAttrs
    isBool
    isFunction
    isInt
    isList
    isString
    mapAttrs
    match
    substring
    stringLength
    ;

  isType = name: value: isAttrs value && (value._type or null) == name;

  mkIf = condition: content: {
    _type = "if";
    inherit condition content;
  };
  mkOverride = priority: content: {
    _type = "override";
    inherit priority content;
  };
  mkMerge = contents: {
    _type = "merge";
    inherit contents;
  };
  ofDefault = 1500;
  usual = 100;

  # The attribute sets in a definition; conditions and priorities move to their attributes, and are not looked at yet.
  pushDown =
    value:
    if isType "merge" value then
      concatMap pushDown value.contents
    else if isType "if" value then
      map (mapAttrs (_: inner: mkIf value.condition inner)) (pushDown value.content)
    else if isType "override" value then
      map (mapAttrs (_: inner: mkOverride value.priority inner)) (pushDown value.content)
    else
      [ value ];

  # What a definition comes to: values with their priorities.
  discharge =
    priority: value:
    if isType "merge" value then
      concatMap (discharge priority) value.contents
    else if isType "if" value then
      if value.condition then discharge priority value.content else [ ]
    else if isType "override" value then
      discharge value.priority value.content
    else
      [ { inherit priority value; } ];

  strongest =
    definitions:
    let
      best = foldl' (least: one: if one.priority < least then one.priority else least) 9999 definitions;
    in
    map (one: one.value) (filter (one: one.priority == best) definitions);

  resolve =
    path: type: definitions:
    let
      values = strongest (concatMap (discharge usual) definitions);
      wrong = filter (value: !(type.check value)) values;
    in
    if values == [ ] then
      throw "The option `${path}' was accessed but has no value defined."
    else if wrong != [ ] then
      throw "A definition for option `${path}' is not of type `${type.description}'."
    else
      type.merge path values;

  one =
    path: values:
    if all (value: value == builtins.head values) values then
      builtins.head values
    else
      throw "The option `${path}' has conflicting definition values.";

  mergeAttrs =
    type: path: values:
    let
      names = attrNames (foldl' (sum: value: sum // value) { } values);
      at = name: concatMap (value: if value ? ${name} then [ value.${name} ] else [ ]) values;
      present = filter (name: concatMap (discharge usual) (at name) != [ ]) names;
    in
    builtins.listToAttrs (
      map (name: {
        inherit name;
        value = resolve "${path}.${name}" type (at name);
      }) present
    );

  simple = description: check: {
    inherit description check;
    merge = one;
  };
  isPackage = value: isAttrs value && (value.type or null) == "derivation";

  types = rec {
    bool = simple "boolean" isBool;
    int = simple "signed integer" isInt;
    str = simple "string" isString;
    port = simple "16 bit unsigned integer; between 0 and 65535 (both inclusive)" (
      value: isInt value && value >= 0 && value <= 65535
    );
    package = simple "package" isPackage;
    enum =
      values: simple "one of ${concatStringsSep ", " (map builtins.toJSON values)}" (value: elem value values);
    strMatching =
      pattern:
      simple "string matching the pattern ${pattern}" (value: isString value && match pattern value != null);
    lines = str // {
      merge = _: concatStringsSep "\n";
    };
    nullOr =
      type:
      type
      // {
        description = "null or ${type.description}";
        check = value: value == null || type.check value;
        merge = path: values: if all (value: value == null) values then null else type.merge path values;
      };
    either =
      first: second:
      simple "${first.description} or ${second.description}" (value: first.check value || second.check value);
    listOf = type: {
      description = "list of ${type.description}";
      check = value: isList value && all type.check value;
      merge = _: concatLists;
    };
    attrsOf = type: {
      description = "attribute set of ${type.description}";
      check = isAttrs;
      merge = mergeAttrs type;
    };
    anything = {
      description = "anything";
      check = _: true;
      merge =
        path: values:
        if all (value: isAttrs value && !isPackage value) values then
          mergeAttrs anything path values
        else
          one path values;
    };
  };

  isOption = isType "option";

  # Every path that is defined and that nobody declared.
  undeclared =
    path: options: definitions:
    concatMap (
      definition:
      concatMap (
        name:
        let
          here = if path == "" then name else "${path}.${name}";
        in
        if !(options ? ${name}) then
          [ here ]
        else if isOption options.${name} then
          [ ]
        else
          undeclared here options.${name} (pushDown definition.${name})
      ) (attrNames definition)
    ) definitions;

  valuesOf =
    path: options: definitions:
    mapAttrs (
      name: option:
      let
        here = if path == "" then name else "${path}.${name}";
        at = concatMap (
          definition: if definition ? ${name} then [ definition.${name} ] else [ ]
        ) definitions;
        fallback = if option ? default then [ (mkOverride ofDefault option.default) ] else [ ];
      in
      if isOption option then
        resolve here option.type (at ++ fallback)
      else
        valuesOf here option (concatMap pushDown at)
    ) options;

  mergeOptions =
    first: second:
    first
    // mapAttrs (
      name: option:
      if first ? ${name} && !isOption option then mergeOptions first.${name} option else option
    ) second;

  evalModules =
    {
      modules,
      specialArgs ? { },
    }:
    let
      load =
        module:
        if isFunction module then
          load (module ({ inherit config lib; } // specialArgs))
        else if isAttrs module then
          let
            plain =
              if module ? config || module ? options then
                module
              else
                { config = removeAttrs module [ "imports" ]; } // { imports = module.imports or [ ]; };
          in
          [ plain ] ++ concatMap load (module.imports or [ ])
        else
          load (import module);
      loaded = concatMap load modules;
      options = foldl' mergeOptions { } (map (module: module.options or { }) loaded);
      definitions = concatMap (module: pushDown (module.config or { })) loaded;
      strangers = undeclared "" options definitions;
      config =
        if strangers == [ ] then
          valuesOf "" options definitions
        else
          throw "The option `${builtins.head strangers}' does not exist.";
    in
    {
      inherit config options;
    };

  lib = {
    inherit
      any
      attrValues
      concatStringsSep
      evalModules
      mkIf
      mkMerge
      mkOverride
      types
      ;
    mkOption = option: option // { _type = "option"; };
    mkEnableOption =
      name:
      lib.mkOption {
        type = types.bool;
        default = false;
        description = "Whether to enable ${name}.";
      };
    mkDefault = mkOverride 1000;
    mkForce = mkOverride 50;
    literalExpression = text: { inherit text; };
    optional = condition: value: if condition then [ value ] else [ ];
    hasPrefix = prefix: text: substring 0 (stringLength prefix) text == prefix;
  };
in
lib
