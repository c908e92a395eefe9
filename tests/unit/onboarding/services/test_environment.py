"""Variables that look like settings and are none."""

from onboarding.services.environment import odd_names


def test_a_setting_that_is_mistyped_is_told_with_the_one_that_was_meant() -> None:
    given = {
        "VOUCHGATE_KEYLIME_VERIFER_URL": "https://u:secret@v",
        "VOUCHGATE_XYZZY": "1",
    }
    near, far = odd_names(given)
    assert "VOUCHGATE_KEYLIME_VERIFER_URL" in near
    assert "but VOUCHGATE_KEYLIME_VERIFIER_URL" in near
    assert far == "VOUCHGATE_XYZZY sets nothing: there is no such setting"
    assert "secret" not in near


def test_settings_in_any_case_and_what_commands_read_are_no_mistakes() -> None:
    given = {
        "vouchgate_port": "1",
        "VOUCHGATE_URL": "x",
        "PATH": "/bin",
        "VOUCHGATE": "",
    }
    assert odd_names(given) == ()
