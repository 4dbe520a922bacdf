"""What the tests stand on: throw-away servers and builders."""
