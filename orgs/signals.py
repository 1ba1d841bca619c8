"""What other apps hear of an organization's changes, inside the transaction of the change."""

from django.dispatch import Signal

# Arguments: organization, cause (a value of accounts' EndCause), origin, at. Receivers answer how many visits ended.
any_user_login_lost = Signal()
