"""Discriminator Objects: which values of a property select which schema."""


def values_of(schema: dict[str, object]) -> tuple[str | None, dict[str, list[str]]]:
    """The property, and the values that `mapping` gives for each schema it names (a reference or a component's name).

    Swagger 2 has only the property's name there. Without a property there is nothing to say.
    """
    given = schema.get("discriminator")
    if isinstance(given, str):
        return given or None, {}
    if not isinstance(given, dict) or not isinstance(name := given.get("propertyName"), str) or not name:
        return None, {}
    mapping = given.get("mapping")
    values: dict[str, list[str]] = {}
    for value, target in mapping.items() if isinstance(mapping, dict) else ():
        if isinstance(target, str):
            values.setdefault(target, []).append(value)
    return name, values
