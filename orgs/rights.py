"""What operators may do in the console, by the names that Django gives such permissions."""

READ_ORGANIZATIONS, ADD_ORGANIZATIONS = "orgs.view_organization", "orgs.add_organization"
# Edition, provisioning, Account Executive.
CHANGE_ORGANIZATIONS = "orgs.change_organization"
# All requests for those who answer them; for those who only read, what has been approved.
READ_REQUESTS, ANSWER_REQUESTS = "orgs.view_activationrequest", "orgs.change_activationrequest"
# Those alone who granted access to the operator's own organization.
READ_PEOPLE = "accounts.view_user"
