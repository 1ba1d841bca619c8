from tests.queries import captured_queries

def test_story(any_user_login, ada, grace, client_of):
    client = client_of(ada)
    with captured_queries() as q:
        client.get("/account/password/change/")
    assert len(q) == 1, q
    with captured_queries() as q:
        r = client.post(f"/setup/users/{grace.pk}/login-as/")
    assert len(q) == 7, "\n".join(q)
    assert r.status_code == 302, r.content
    client.get("/nowhere")
    with captured_queries() as q:
        r = client.get("/nowhere")
    assert len(q) == 1, "\n".join(q)
    assert b"Grace" in r.content
    with captured_queries() as q:
        r = client.post("/logout/")
    assert len(q) == 5, "\n".join(q)
    print(r.headers, r.cookies)
    assert r.status_code==302
    r = client.get("/setup/")
    assert r.status_code==302
    r = client.get("/")
    assert r.status_code==302
