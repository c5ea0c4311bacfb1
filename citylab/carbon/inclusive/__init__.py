"""碳普惠: residents' low-carbon acts, credited under dated methodologies, checked, and never counted twice."""
