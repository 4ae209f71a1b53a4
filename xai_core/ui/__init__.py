"""The screens of the App: what pages share."""
