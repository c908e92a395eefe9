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


def test_what_kubernetes_tells_of_a_service_is_no_mistake() -> None:
    told = (
        "VOUCHGATE_OWNER_SERVICE_HOST",
        "VOUCHGATE_OWNER_SERVICE_PORT",
        "VOUCHGATE_OWNER_SERVICE_PORT_HTTP",
        "VOUCHGATE_OWNER_PORT",
        "VOUCHGATE_OWNER_PORT_8083_TCP_ADDR",
    )
    assert odd_names(dict.fromkeys(told, "tcp://10.0.0.1:8083")) == ()
    assert len(odd_names({"VOUCHGATE_PROT": "1", "VOUCHGATE_COMPT_PORT": "2"})) == 2
