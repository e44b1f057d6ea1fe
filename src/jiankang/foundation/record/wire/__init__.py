"""What the interactions read and write: requests, answers, Bundles, and the server that they run on."""
